package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a benchmark found. Times are in milliseconds, sizes in bytes, MiB are 2²⁰ bytes.
type Report struct {
	Endpoint    string  `json:"endpoint"`
	Operation   Op      `json:"operation"`
	Size        int64   `json:"size"`
	PartSize    int64   `json:"part_size,omitempty"`
	Concurrency int     `json:"concurrency"`
	Objects     int     `json:"objects"`
	Delimiter   bool    `json:"delimiter,omitempty"`
	SignPayload bool    `json:"sign_payload,omitempty"`
	Seconds     float64 `json:"seconds"`
	Rows        []Row   `json:"rows"`
}

// Row is what was found about one operation.
type Row struct {
	Operation     Op      `json:"operation"`
	Count         int64   `json:"count"`  // operations that succeeded
	Errors        int64   `json:"errors"` // operations that failed; they count nowhere else
	OpsPerSecond  float64 `json:"ops_per_second"`
	MiBPerSecond  float64 `json:"mib_per_second"`
	KeysPerSecond float64 `json:"keys_per_second,omitempty"` // listed
	P50           float64 `json:"p50_ms"`
	P90           float64 `json:"p90_ms"`
	P99           float64 `json:"p99_ms"`
	Max           float64 `json:"max_ms"`
	FirstError    string  `json:"first_error,omitempty"`
}

func newReport(o *Options, workers []*worker, took time.Duration) *Report {
	r := &Report{
		Endpoint: o.Endpoint, Operation: o.Op, Size: o.Size, PartSize: o.PartSize, Concurrency: o.Concurrency,
		Objects: o.Objects, Delimiter: o.Delimiter, SignPayload: o.SignPayload, Seconds: took.Seconds(),
	}
	total, rows := &tally{}, 0
	for _, op := range Ops {
		sum := &tally{}
		for _, w := range workers {
			if t := w.tallies[op]; t != nil {
				sum.merge(t)
			}
		}
		if sum.n+sum.errors > 0 {
			r.Rows = append(r.Rows, newRow(op, sum, took))
			total.merge(sum)
			rows++
		}
	}
	if rows != 1 {
		r.Rows = append(r.Rows, newRow(o.Op, total, took))
	}
	return r
}

// merge adds what t counted.
func (t *tally) merge(o *tally) {
	t.histogram.merge(&o.histogram)
	t.errors += o.errors
	t.bytes += o.bytes
	t.keys += o.keys
	if t.sample == nil {
		t.sample = o.sample
	}
}

func newRow(op Op, t *tally, took time.Duration) Row {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	row := Row{
		Operation: op, Count: t.n, Errors: t.errors,
		OpsPerSecond:  float64(t.n) / took.Seconds(),
		MiBPerSecond:  float64(t.bytes) / (1 << 20) / took.Seconds(),
		KeysPerSecond: float64(t.keys) / took.Seconds(),
		P50:           ms(t.quantile(0.50)), P90: ms(t.quantile(0.90)), P99: ms(t.quantile(0.99)), Max: ms(t.max),
	}
	if t.sample != nil {
		row.FirstError = t.sample.Error()
	}
	return row
}

// Failed tells whether no operation succeeded.
func (r *Report) Failed() bool {
	return r.Rows[len(r.Rows)-1].Count == 0
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s  %s of %d bytes, %d workers, %.1f s\n\n", r.Endpoint, r.Operation, r.Size, r.Concurrency, r.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\tops/s\tMiB/s\tkeys/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\tops\terrors\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%d\t\n", row.Operation, row.OpsPerSecond,
			row.MiBPerSecond, row.KeysPerSecond, row.P50, row.P90, row.P99, row.Max, row.Count, row.Errors)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		if row.FirstError != "" {
			fmt.Fprintf(w, "first error of %s: %s\n", row.Operation, row.FirstError)
		}
	}
	return nil
}
