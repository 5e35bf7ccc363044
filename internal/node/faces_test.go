package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a self-signed pair whose serial number tells it from others.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, &x509.Certificate{SerialNumber: big.NewInt(serial)}, key.Public(), key)
	must(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

func TestACertificateMakesS3SpeakHTTPSOnly(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certFile, keyFile, 7)
	r := start(t, settings(t, filepath.Join(dir, "data"), "GRANGE_TLS_CERT_FILE="+certFile, "GRANGE_TLS_KEY_FILE="+keyFile))
	u, err := url.Parse(r.S3)
	if err != nil || u.Scheme != "https" {
		t.Fatalf("got %s, %v", r.S3, err)
	}
	// The certificate is the test's own: what counts is which one is shown.
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", u.Host)
	must(t, err)
	state := conn.(*tls.Conn).ConnectionState()
	_ = conn.Close()
	if got := state.PeerCertificates[0].SerialNumber.Int64(); got != 7 || state.NegotiatedProtocol == "h2" {
		t.Errorf("got certificate %d and protocol %q", got, state.NegotiatedProtocol)
	}
	if status, body := r.send(t, "GET", "http://"+u.Host+"/first", nil, -1); status != 400 {
		t.Errorf("plain HTTP: got %d %s", status, body)
	}
}

func TestANewCertificateIsTakenUpAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certFile, keyFile, 1)
	c, err := openCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	must(t, err)
	shown := func() int64 {
		t.Helper()
		c.mu.checked = time.Time{} // it is time to look again
		pair, err := c.get(nil)
		must(t, err)
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		must(t, err)
		return leaf.SerialNumber.Int64()
	}
	writeCertificate(t, certFile, keyFile, 2)
	later := time.Now().Add(time.Minute)
	must(t, os.Chtimes(certFile, later, later))
	if got := shown(); got != 2 {
		t.Errorf("got certificate %d, want the new one", got)
	}
	must(t, os.WriteFile(certFile, []byte("half a file"), 0o600))
	if got := shown(); got != 2 {
		t.Errorf("got certificate %d, want the last good one", got)
	}
	if _, err := openCertificate(certFile, keyFile, nil); err == nil || !strings.Contains(err.Error(), "tls_cert_file") {
		t.Errorf("a start with the broken one: got %v", err)
	}
}

func TestABudgetFitsIntoItsMemory(t *testing.T) {
	for _, memory := range []int64{96 << 20, 384 << 20, 8 << 30} {
		for _, dirs := range []int{0, 1, 4} {
			b := newBudget(memory, dirs)
			sum := b.metaCache + 4*int64(b.memTable) + b.bodies + int64(max(dirs, 1))*b.blockQueue
			if sum > memory || b.requests < 64 || b.connections <= b.requests {
				t.Errorf("%d bytes, %d directories: %+v adds up to %d", memory, dirs, b, sum)
			}
		}
	}
}
