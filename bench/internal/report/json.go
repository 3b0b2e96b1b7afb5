package report

import (
	"encoding/json"
	"io"
	"strconv"
)

// A line is what -json prints for each target.
type line struct {
	ID     string            `json:"id"`
	Case   string            `json:"case"`
	Unit   string            `json:"unit"`
	Hop    number            `json:"hop"`
	Peers  map[string]number `json:"peers"`
	Best   string            `json:"best"`
	Ratio  number            `json:"ratio"`
	Target number            `json:"target"`
	Met    bool              `json:"met"`
}

// A number is written to four digits: more would only be noise.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(float64(n), 'g', 4, 64), 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rounded)
}

// WriteJSON writes one object a line for each target.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, res := range r.Results {
		for _, v := range res.Verdicts {
			peers := map[string]number{}
			for name, value := range v.Peers {
				peers[name] = number(value)
			}
			err := e.Encode(line{
				ID: res.Workload, Case: v.Case, Unit: string(v.Unit), Hop: number(v.Hop), Peers: peers, Best: v.Best,
				Ratio: number(v.Ratio.Median), Target: number(v.Max), Met: v.Met,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
