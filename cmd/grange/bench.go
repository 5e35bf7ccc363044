package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"grange/internal/bench"
	"grange/internal/config"
)

func (a *app) benchCommand() *cobra.Command {
	o := &bench.Options{}
	var size, partSize, mix string
	c := &cobra.Command{
		Use: "bench OPERATION", Short: "Load an S3 endpoint and tell how fast it is", Args: exactly("OPERATION"),
		Long: "Bench does one operation (put, get, head, list, delete or mixed) over and over, against any S3 endpoint, and\n" +
			"tells throughput and latency. It makes the bucket and the objects that it needs, and removes the objects again.",
		Example: "  grange bench put --size 4KiB --concurrency 16\n  grange bench list --objects 1000000 --size 0 --keep --delimiter",
	}
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", cmp.Or(a.getenv("AWS_ENDPOINT_URL_S3"), a.getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:3900"), "`URL` of the store (or AWS_ENDPOINT_URL)")
	f.StringVar(&o.Region, "region", cmp.Or(a.getenv("AWS_REGION"), a.getenv("AWS_DEFAULT_REGION"), "grange"), "`REGION` to sign for (or AWS_REGION)")
	f.StringVar(&o.AccessKey, "access-key", "", "`ID` of the access key (or AWS_ACCESS_KEY_ID, GRANGE_ACCESS_KEY)")
	f.StringVar(&o.SecretKey, "secret-key", "", "its `SECRET` (or AWS_SECRET_ACCESS_KEY, GRANGE_SECRET_KEY)")
	f.StringVar(&o.Bucket, "bucket", "grange-bench", "`BUCKET` to work in; made if there is none")
	f.BoolVar(&o.VirtualHost, "virtual-host", false, "name the bucket in the host instead of the path")
	f.BoolVar(&o.Insecure, "insecure", false, "do not check the endpoint's certificate")
	f.StringVar(&size, "size", "1MiB", "`SIZE` of an object")
	f.StringVar(&partSize, "part-size", "0", "put objects above this `SIZE` in parts; 0: never")
	f.IntVar(&o.Concurrency, "concurrency", 8, "`NUMBER` of workers, each with one connection")
	f.DurationVar(&o.Duration, "duration", o.Duration, "`DURATION` of the measurement (default 10s)")
	f.DurationVar(&o.Warmup, "warmup", 0, "`DURATION` before it, which does not count")
	f.IntVar(&o.Objects, "objects", 0, "`NUMBER` of objects stored before get, head, list, delete and mixed (default: enough)")
	f.BoolVar(&o.Delimiter, "delimiter", false, "list directory by directory")
	f.StringVar(&mix, "mix", "", "`WEIGHTS` of mixed, such as get=60,put=30,list=5,delete=5")
	f.BoolVar(&o.SignPayload, "sign-payload", false, "sign the hash of the content instead of sending UNSIGNED-PAYLOAD")
	f.BoolVar(&o.Keep, "keep", false, "leave the objects, and use those that an earlier run left")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		o.Op = bench.Op(args[0])
		o.AccessKey = cmp.Or(o.AccessKey, a.getenv("AWS_ACCESS_KEY_ID"), a.getenv("GRANGE_ACCESS_KEY"))
		o.SecretKey = cmp.Or(o.SecretKey, a.getenv("AWS_SECRET_ACCESS_KEY"), a.getenv("GRANGE_SECRET_KEY"))
		if err := benchSizes(o, size, partSize, mix); err != nil {
			return err
		}
		return a.bench(cmd.Context(), *o)
	}
	return c
}

func benchSizes(o *bench.Options, size, partSize, mix string) error {
	n, err := config.ParseSize(size)
	m, perr := config.ParseSize(partSize)
	if err := errors.Join(err, perr); err != nil {
		return usage("--size or --part-size: %w", err)
	}
	o.Size, o.PartSize = int64(n), int64(m)
	if mix == "" {
		return nil
	}
	if o.Mix, err = bench.ParseMix(mix); err != nil {
		return usage("--%w", err)
	}
	return nil
}

func (a *app) bench(ctx context.Context, o bench.Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	report, err := bench.Run(ctx, o, func(what string) { fmt.Fprintln(a.err, strings.ToUpper(what[:1])+what[1:]+".") })
	if err != nil {
		return err
	}
	if err := a.show(report, func(w io.Writer) { _ = report.WriteTable(w) }); err != nil {
		return err
	}
	if report.Failed() {
		return errors.New("bench: no operation succeeded")
	}
	return nil
}
