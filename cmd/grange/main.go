// Grange is a geo-distributed object store that speaks S3. The one program is the server, and the commands with which
// an operator manages it; "grange help" lists them.
package main

import (
	"context"
	"os"
)

func main() {
	a := &app{out: os.Stdout, err: os.Stderr, environ: os.Environ(), uid: os.Getuid()}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}
