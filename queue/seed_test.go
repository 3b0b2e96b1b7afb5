package queue_test
import ("testing";"os";"strconv")
func TestSeed(t *testing.T) {
	s := os.Getenv("SEED"); if s == "" { t.Skip() }
	n, _ := strconv.Atoi(s)
	for i := range 20000 { if !account(t, uint64(n+i)) { t.Fatal(n+i) } }
}
