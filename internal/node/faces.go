package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"grange/internal/api/s3"
)

// face is an HTTP server with its listener.
type face struct {
	name     string
	listener net.Listener
	server   *http.Server
	done     chan error // of Serve
	stopped  bool
}

// listen opens the listener of a face. Nothing is accepted before serve.
func listen(ctx context.Context, name, address string, connections int) (*face, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open %s on %s: %w; choose another address with --%s-listen", name, address, err, name)
	}
	return &face{name: name, listener: netutil.LimitListener(l, connections), done: make(chan error, 1)}, nil
}

// serve begins to answer requests. With a certificate it speaks HTTPS only.
func (f *face) serve(h http.Handler, cert *certificate, log *slog.Logger) {
	f.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s3.HeaderTimeout,
		IdleTimeout:       s3.IdleTimeout,
		MaxHeaderBytes:    s3.HeaderBytesMax,
		ErrorLog:          slog.NewLogLogger(log.With(slog.String("face", f.name)).Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
	}
	// One connection for many streams serves S3's large bodies badly, and would go round the limit of connections.
	f.server.Protocols.SetHTTP1(true)
	l := f.listener
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: cert.get})
	}
	go func() { f.done <- f.server.Serve(l) }()
}

// stop closes the listener and lets requests in flight finish until ctx ends; then it breaks them off.
func (f *face) stop(ctx context.Context) error {
	if f.stopped {
		return nil
	}
	f.stopped = true
	if f.server == nil {
		return f.listener.Close()
	}
	err := f.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stop %s: requests were broken off after the stop time-out", f.name)
		_ = f.server.Close()
	}
	if serr := <-f.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// close stops a face that a failed start leaves behind.
func (f *face) close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return f.stop(ctx)
}

// certificate is a pair of files that may be replaced while the node runs.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu struct {
		sync.Mutex
		loaded   *tls.Certificate
		modified time.Time // of the certificate's file when it was loaded
		checked  time.Time
	}
}

// recheck is how often the files are looked at.
const recheck = 10 * time.Second

// openCertificate loads the pair; nil when none is configured.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if certFile == "" {
		return nil, nil //nolint:nilnil // no certificate is a valid configuration
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.loadLocked(); err != nil {
		return nil, fmt.Errorf("load the certificate: %w; check tls_cert_file and tls_key_file", err)
	}
	return c, nil
}

// get is the present certificate. A new pair that cannot be loaded leaves the old one in place.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.mu.checked) > recheck {
		if err := c.loadLocked(); err != nil {
			c.log.LogAttrs(context.Background(), slog.LevelWarn, "new certificate cannot be used", slog.Any("error", err))
		}
	}
	return c.mu.loaded, nil
}

func (c *certificate) loadLocked() error {
	c.mu.checked = time.Now()
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	if c.mu.loaded != nil && info.ModTime().Equal(c.mu.modified) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.mu.loaded, c.mu.modified = &pair, info.ModTime()
	return nil
}
