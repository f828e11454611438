package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bitb/domain"
)

// object is one thing in a store. Names have slashes and no other structure.
type object struct {
	Name     string
	Size     int64
	Modified time.Time
}

// store keeps objects: a directory, or a bucket.
type store interface {
	// Put stores all of r or nothing; an object of the name that is there already is replaced. size is -1 where it is not known.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Get fails with fs.ErrNotExist where there is no such object.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// There fails with domain.NotFound where the place itself is not there. The first Put makes a directory.
	There() error
	// List returns what begins with prefix, ordered by name.
	List(ctx context.Context, prefix string) ([]object, error)
	Delete(ctx context.Context, name string) error
	// Tidy removes what writes left that were cut off before a time. No reader ever sees it, but it takes room.
	Tidy(ctx context.Context, before time.Time) error
}

// S3 says how to reach a bucket.
type S3 struct {
	Endpoint string // host and port, or an address with http:// or https://; "": AWS
	Region   string

	// Keys are asked for with each request. nil: they come from the environment or the machine's role, as AWS's own tools find them.
	Keys func() (access, secret string)

	transport http.RoundTripper // nil: the library's. Tests bring their own
}

// openStore understands a directory and s3://bucket/prefix.
func openStore(place string, c S3) (store, error) {
	if place == "" {
		return nil, errors.New("BITB_BACKUP_TO is not set: a directory, or s3://bucket/prefix")
	}
	rest, isBucket := strings.CutPrefix(place, "s3://")
	if !isBucket {
		dir, err := filepath.Abs(place)
		if err != nil {
			return nil, err
		}
		return dirStore{dir}, nil
	}
	bucket, prefix, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	if prefix != "" {
		prefix += "/"
	}
	endpoint, secure, err := c.address()
	if err != nil {
		return nil, err
	}
	keys := credentials.New(bucketKeys(c.Keys))
	if c.Keys == nil {
		keys = credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{}})
	}
	client, err := minio.New(endpoint, &minio.Options{Creds: keys, Secure: secure, Region: c.Region, Transport: c.transport})
	if err != nil {
		return nil, fmt.Errorf("set up the bucket: %w", err)
	}
	return bucketStore{client: client, bucket: bucket, prefix: prefix}, nil
}

func (c S3) address() (endpoint string, secure bool, err error) {
	if c.Endpoint == "" {
		return "s3.amazonaws.com", true, nil
	}
	if !strings.Contains(c.Endpoint, "://") {
		return c.Endpoint, true, nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", false, errors.New("BITB_BACKUP_S3_ENDPOINT must be like https://s3.example.com")
	}
	return u.Host, u.Scheme == "https", nil
}

type dirStore struct{ dir string }

// tempPrefix begins the name of a file that is still being written. List does not show it.
const tempPrefix = ".part-"

func (d dirStore) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d dirStore) Put(ctx context.Context, name string, r io.Reader, _ int64) (err error) {
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(path), tempPrefix+domain.NewID().String()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := io.Copy(f, contextReader{ctx, r}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (d dirStore) Get(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(d.path(name))
}

func (d dirStore) There() error {
	info, err := os.Stat(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &domain.Error{Code: domain.NotFound, Err: err,
			Message: "The directory " + d.dir + " does not exist. Check BITB_BACKUP_TO; the first backup makes it."}
	case err != nil:
		return err
	case !info.IsDir():
		return domain.NewError(domain.Invalid, d.dir+" is no directory. Check BITB_BACKUP_TO.")
	}
	return nil
}

func (d dirStore) List(ctx context.Context, prefix string) (found []object, err error) {
	err = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not made yet, or pruned meanwhile
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		rel, _ := filepath.Rel(d.dir, path)
		name := filepath.ToSlash(rel)
		if e.IsDir() {
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(e.Name(), tempPrefix) {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			found = append(found, object{Name: name, Size: info.Size(), Modified: info.ModTime()})
		}
		return err
	})
	return found, err
}

// Delete also removes the directory that it leaves empty.
func (d dirStore) Delete(_ context.Context, name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(d.path(name))) // fails while something is in it
	return nil
}

func (d dirStore) Tidy(_ context.Context, before time.Time) error {
	return filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), tempPrefix) {
			return err
		}
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			return os.Remove(path)
		}
		return nil
	})
}

// bucketKeys are never kept: they may be others by the next request.
type bucketKeys func() (access, secret string)

func (k bucketKeys) IsExpired() bool { return true }

func (k bucketKeys) Retrieve() (credentials.Value, error) {
	access, secret := k()
	return credentials.Value{AccessKeyID: access, SecretAccessKey: secret, SignerType: credentials.SignatureV4}, nil
}

func (k bucketKeys) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return k.Retrieve()
}

type bucketStore struct {
	client         *minio.Client
	bucket, prefix string
}

// partSize bounds what is held in memory of an upload whose size is not known, and with 10,000 parts an object: to 640 GB.
const partSize = 64 << 20

func (b bucketStore) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	_, err := b.client.PutObject(ctx, b.bucket, b.prefix+name, r, size, minio.PutObjectOptions{PartSize: partSize, ContentType: "application/octet-stream"})
	return err
}

func (b bucketStore) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	o, err := b.client.GetObject(ctx, b.bucket, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := o.Stat(); err != nil {
		o.Close()
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return nil, err
	}
	return o, nil
}

// There asks nothing: a bucket that is not there fails each List, and who may list may not always ask for the bucket itself.
func (b bucketStore) There() error { return nil }

func (b bucketStore) List(ctx context.Context, prefix string) ([]object, error) {
	var found []object
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if minio.ToErrorResponse(o.Err).Code == minio.NoSuchBucket {
			return nil, &domain.Error{Code: domain.NotFound, Message: "The bucket " + b.bucket + " does not exist. Check BITB_BACKUP_TO.", Err: o.Err}
		}
		if o.Err != nil {
			return nil, o.Err
		}
		found = append(found, object{Name: strings.TrimPrefix(o.Key, b.prefix), Size: o.Size, Modified: o.LastModified})
	}
	return found, nil
}

func (b bucketStore) Delete(ctx context.Context, name string) error {
	return b.client.RemoveObject(ctx, b.bucket, b.prefix+name, minio.RemoveObjectOptions{})
}

func (b bucketStore) Tidy(ctx context.Context, before time.Time) error {
	for u := range b.client.ListIncompleteUploads(ctx, b.bucket, b.prefix, true) {
		if u.Err != nil {
			return u.Err
		}
		if u.Initiated.Before(before) {
			if err := b.client.RemoveIncompleteUpload(ctx, b.bucket, u.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// contextReader ends a copy when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
