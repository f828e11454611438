//go:build !unix

package extract

import "io/fs"

func ownedByUs(fs.FileInfo) bool { return true }
