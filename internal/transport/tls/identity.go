package tlsnet

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"grange/internal/id"
)

// What the two sides of a TLS connection agree to speak (RFC 7301). All of them stand for one port.
const (
	protoFrames = "grange-frames/1"
	protoCalls  = "h2"
	protoJoin   = "grange-join/1"
)

// NodeOf names the node that has a key: the first 16 bytes of the SHA-256 of its public key (32 bytes, RFC 8032).
func NodeOf(public ed25519.PublicKey) (n id.Node) {
	sum := sha256.Sum256(public)
	copy(n[:], sum[:])
	return n
}

// certificate wraps the node's key, since TLS carries keys in certificates. Nobody looks at anything in it but the key:
// its times are open on both ends, because wall clocks decide nothing here (RFC 5280, 4.1.2.5 for the last one).
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	public := key.Public().(ed25519.PublicKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: NodeOf(public).String()},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the certificate of the node: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// errBadCertificate reports a certificate that no node makes.
var errBadCertificate = errors.New("transport: not the certificate of a node")

// nodeIn names the node at the other end of a connection. TLS has proven that it has the key.
func nodeIn(s tls.ConnectionState) (id.Node, error) {
	if len(s.PeerCertificates) != 1 {
		return id.Node{}, errBadCertificate
	}
	public, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return id.Node{}, errBadCertificate
	}
	return NodeOf(public), nil
}

// tlsConfig is what both sides share: TLS 1.3, one key, no resumption (each connection asks anew who is a member), and
// verify in place of certificate authorities and names. It runs inside the handshake, before any other byte is read.
func tlsConfig(cert tls.Certificate, protos []string, verify func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{cert},
		ClientAuth:                  tls.RequireAnyClientCert,
		NextProtos:                  protos,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, //nolint:gosec // VerifyConnection compares the key itself
		VerifyConnection:            verify,
	}
}
