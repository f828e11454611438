package views

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
)

var assetHashes = map[string]string{}

// UseAssets reads the tree that is served below /static/ and remembers the content hash of each file, so that Asset can
// name it. Call it once, before the first page is rendered.
func UseAssets(static fs.FS) error {
	hashes := map[string]string{}
	err := fs.WalkDir(static, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(static, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		hashes[name] = hex.EncodeToString(sum[:6])
		return nil
	})
	if err != nil {
		return fmt.Errorf("hash static files: %w", err)
	}
	assetHashes = hashes
	return nil
}

// Asset is the address of a file below static/, for example "app.css". Its query changes with the content, so the answer
// to an address with a query may be cached for ever.
func Asset(name string) string {
	address := "/static/" + name
	if hash, ok := assetHashes[name]; ok {
		address += "?v=" + hash
	}
	return address
}
