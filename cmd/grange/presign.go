package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grange/internal/s3sign"
)

// presignMax is how long S3 lets a link hold (AWS: "Authenticating Requests: Using Query Parameters").
const presignMax = 7 * 24 * time.Hour

func (a *app) presignCommand() *cobra.Command {
	var endpoint, region, method string
	var expires time.Duration
	c := &cobra.Command{
		Use: "presign BUCKET[/KEY]", Short: "Make a link to an object, or to a bucket's listing, that works in a browser", Args: exactly("BUCKET[/KEY]"),
		Long: "Presign makes a link that holds for a while without a key: whoever has it can read the object, or with\n" +
			"--method PUT write it. It is signed with the key of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or\n" +
			"GRANGE_ACCESS_KEY and GRANGE_SECRET_KEY. Nothing is asked of the store.",
	}
	f := c.Flags()
	f.StringVar(&endpoint, "endpoint", cmp.Or(a.getenv("AWS_ENDPOINT_URL_S3"), a.getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:3900"), "`URL` of the store (or AWS_ENDPOINT_URL)")
	f.StringVar(&region, "region", cmp.Or(a.getenv("AWS_REGION"), a.getenv("AWS_DEFAULT_REGION"), "grange"), "`REGION` to sign for (or AWS_REGION)")
	f.StringVar(&method, "method", "GET", "what the link does: GET, HEAD, PUT or DELETE")
	f.DurationVar(&expires, "expires", time.Hour, "how long the link holds, at most 168h")
	c.RunE = func(_ *cobra.Command, args []string) error {
		s := &s3sign.Signer{
			AccessKey: cmp.Or(a.getenv("AWS_ACCESS_KEY_ID"), a.getenv("GRANGE_ACCESS_KEY")),
			SecretKey: cmp.Or(a.getenv("AWS_SECRET_ACCESS_KEY"), a.getenv("GRANGE_SECRET_KEY")), Region: region,
		}
		base, err := url.Parse(endpoint)
		switch {
		case err != nil || base.Host == "":
			return usage("--endpoint %q: write http://host:port", endpoint)
		case expires < time.Second || expires > presignMax:
			return usage("--expires %v: give 1s to %v", expires, presignMax)
		case s.AccessKey == "" || s.SecretKey == "":
			return errors.New("no access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
		path, query := "/"+s3sign.Escape(args[0], true), url.Values{}
		if !strings.Contains(args[0], "/") && method == "GET" {
			query.Set("list-type", "2")
		}
		link := s.Presign(method, base, path, query, expires, time.Now())
		return a.show(map[string]string{"url": link}, func(w io.Writer) { fmt.Fprintln(w, link) })
	}
	return c
}
