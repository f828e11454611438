// Package bitb holds the files the binary carries: the built front end and the numbered migrations.
package bitb

import "embed"

// Static is the built front end, served below /static and /widget.js. The sources are in static/src and are not embedded.
//
//go:embed static/*.css static/*.js static/fonts static/icons
var Static embed.FS

// Migrations are goose SQL files, applied in the order of their numbers.
//
//go:embed migrations/*.sql
var Migrations embed.FS
