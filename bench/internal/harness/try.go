package harness

// Try does two operations of a side and looks whether they did their work.
func Try(c *Case, s *Side) error {
	if c.Meter != nil {
		_, err := c.Meter(c, s, 100)
		return err
	}
	run, err := s.New()
	if err != nil {
		return err
	}
	if run.Close != nil {
		defer run.Close()
	}
	for range 2 {
		if _, err := run.Do(1); err != nil {
			return err
		}
	}
	if run.Check != nil {
		return run.Check(2)
	}
	return nil
}
