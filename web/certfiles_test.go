package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// testCertFiles are a certificate and its key as somebody else keeps them, from an authority of their own.
type testCertFiles struct {
	cert, key string
	roots     *x509.CertPool
	authority *x509.Certificate
	signer    *ecdsa.PrivateKey
	lasts     time.Duration // of the next certificate
}

func newCertFiles(t *testing.T) *testCertFiles {
	t.Helper()
	dir := t.TempDir()
	f := &testCertFiles{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), lasts: 24 * time.Hour, roots: x509.NewCertPool()}
	f.signer = newECKey(t)
	f.authority = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, f.authority, f.authority, &f.signer.PublicKey, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	f.roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return f
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// write puts a new certificate with a new key into the files.
func (f *testCertFiles) write(t *testing.T, name string) {
	t.Helper()
	k := newECKey(t)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"chat.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(f.lasts), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, f.authority, &k.PublicKey, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	f.put(t, f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	f.put(t, f.key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))
}

// spoil leaves half of a certificate.
func (f *testCertFiles) spoil(t *testing.T) {
	f.put(t, f.cert, []byte("-----BEGIN CERTIFICATE-----\nMIIB"))
}

func (f *testCertFiles) put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
