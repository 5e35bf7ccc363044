package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run does the benchmark that o describes. progress, if it is set, is told what begins; it is for people. An error of
// single operations is counted in the report; one that makes the measurement impossible is returned.
func Run(ctx context.Context, o Options, progress func(string)) (*Report, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	j := &job{opts: o, id: strconv.FormatInt(time.Now().UnixNano(), 36), mix: weighted(o.Mix)}
	workers := make([]*worker, o.Concurrency)
	for i := range workers {
		workers[i] = newWorker(j, i)
		defer workers[i].conn.close()
	}
	if err := workers[0].makeBucket(ctx); err != nil {
		return nil, fmt.Errorf("bench: make bucket %s: %w", o.Bucket, err)
	}
	filled := o.Op != Put
	if filled {
		if err := fill(ctx, j, workers, progress); err != nil {
			return nil, fmt.Errorf("bench: store the objects to work on: %w", err)
		}
	}
	report, err := measure(ctx, j, workers, progress)
	if err == nil && !o.Keep {
		progress("removing the objects")
		err = clean(ctx, j, workers, filled)
	}
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return report, nil
}

// weighted lists each operation as often as its weight, in a fixed order.
func weighted(mix map[Op]int) []Op {
	var list []Op
	for _, op := range Ops {
		for range mix[op] {
			list = append(list, op)
		}
	}
	return list
}

func (w *worker) makeBucket(ctx context.Context) error {
	_, _, _, err := w.conn.do(ctx, request{method: http.MethodPut}, true)
	if e, ok := errors.AsType[*StatusError](err); ok && e.Code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return err
}

// fill stores the data set, unless an earlier run kept it.
func fill(ctx context.Context, j *job, workers []*worker, progress func(string)) error {
	if workers[0].has(ctx, j.dataKey(0)) && workers[0].has(ctx, j.dataKey(j.opts.Objects-1)) {
		progress(fmt.Sprintf("using the %d objects of an earlier run", j.opts.Objects))
		return nil
	}
	progress(fmt.Sprintf("storing %d objects of %d bytes", j.opts.Objects, j.opts.Size))
	var next atomic.Int64
	return each(ctx, workers, func(ctx context.Context, w *worker) error {
		for {
			i := int(next.Add(1) - 1)
			if i >= j.opts.Objects {
				return nil
			}
			if err := w.put(ctx, j.dataKey(i)); err != nil {
				return err
			}
		}
	})
}

func (w *worker) has(ctx context.Context, key string) bool {
	_, _, header, err := w.conn.do(ctx, request{method: http.MethodHead, key: key}, false)
	return err == nil && header.Get("Content-Length") == strconv.FormatInt(w.job.opts.Size, 10)
}

// measure warms up, forgets what was counted, and counts.
func measure(ctx context.Context, j *job, workers []*worker, progress func(string)) (*Report, error) {
	o := &j.opts
	if o.Warmup > 0 {
		progress(fmt.Sprintf("warming up for %v", o.Warmup))
		if err := loopAll(ctx, workers, o.Op, o.Warmup); err != nil {
			return nil, err
		}
		for _, w := range workers {
			clear(w.tallies)
		}
	}
	progress(fmt.Sprintf("measuring %s for %v", o.Op, o.Duration))
	begin := time.Now()
	if err := loopAll(ctx, workers, o.Op, o.Duration); err != nil {
		return nil, err
	}
	return newReport(o, workers, time.Since(begin)), nil
}

func loopAll(ctx context.Context, workers []*worker, op Op, d time.Duration) error {
	end := time.Now().Add(d)
	return each(ctx, workers, func(ctx context.Context, w *worker) error {
		return w.loop(ctx, op, func() bool { return !time.Now().Before(end) })
	})
}

// clean removes the objects of the run, a thousand at a time.
func clean(ctx context.Context, j *job, workers []*worker, filled bool) error {
	if filled {
		var next atomic.Int64
		err := each(ctx, workers, func(ctx context.Context, w *worker) error {
			for {
				from := int(next.Add(1)-1) * 1000
				if from >= j.opts.Objects {
					return nil
				}
				if err := w.deleteRange(ctx, from, min(from+1000, j.opts.Objects), j.dataKey); err != nil {
					return err
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return each(ctx, workers, func(ctx context.Context, w *worker) error {
		own := func(i int) string { return j.putKey(w.number, i) }
		for from := w.removed; from < w.puts; from += 1000 {
			if err := w.deleteRange(ctx, from, min(from+1000, w.puts), own); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *worker) deleteRange(ctx context.Context, from, to int, name func(int) string) error {
	keys := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		keys = append(keys, name(i))
	}
	return w.deleteMany(ctx, keys)
}

// each runs f for all workers at once and returns the first error.
func each(ctx context.Context, workers []*worker, f func(context.Context, *worker) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range workers {
		g.Go(func() error { return f(ctx, w) })
	}
	return g.Wait()
}
