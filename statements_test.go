package bitb_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// made are the places where a statement for the database is more than literals and constants, with what else is in it. No word of it
// comes from outside of the package: values go as parameters.
var made = map[string]string{
	"domain/backup/backup.go: table":                                                                         "named by the catalog, with format's %I",
	"domain/backup/drill.go: pgx.Identifier{database}.Sanitize()":                                            "the manifest's, quoted",
	"domain/backup/dump.go: strings.TrimPrefix(ownTables, \"select format('%I.%I', n.nspname, c.relname)\")": "a constant without its beginning",
	"domain/chat/bot.go: botColumns(ctx)":                                                                    "one of two constants",
	"domain/document/index.go: sql":                                                                          "a list of constants",
	"domain/document/index.go: table":                                                                        "one of two names",
	"domain/document/index.go: which":                                                                        "a condition that the caller has written down",
	"domain/document/line.go: sql":                                                                           "a list of constants",
	"domain/document/line.go: which":                                                                         "a condition that the caller has written down",
	"domain/document/reembed.go: free":                                                                       "a condition that the caller has written down",
	"domain/document/reembed.go: which":                                                                      "a condition that the caller has written down",
	"domain/document/reembed.go: table":                                                                      "one of two names",
	"domain/document/service.go: order":                                                                      "one of some texts: orderOf",
	"domain/ingest/lease.go: sql":                                                                            "constants, and the id of the process, which is a UUID",
	"domain/postgres/inspect.go: table":                                                                      "named by the catalog, with format's %I",
	"domain/postgres/migrate.go: bootstrapSQL":                                                               "a file of the binary",
	"domain/postgres/migrate.go: lintSQL":                                                                    "a file of the binary",
	"domain/postgres/migrate.go: name":                                                                       "a schema's, quoted",
	"domain/postgres/postgres.go: pgx.Identifier{become}.Sanitize()":                                         "bitb_app, quoted",
	"domain/questions/run.go: which":                                                                         "a condition that the caller has written down",
	"domain/retrieve/service.go: lexicalSQL(len(models))":                                                    "constants, one for each model, and two numbers",
	"domain/tenant/case.go: which":                                                                           "a condition that the caller has written down",
	"domain/tenant/erase.go: sql":                                                                            "a list of constants",
	"domain/tenant/erase.go: which":                                                                          "a condition that the caller has written down",
	"domain/tenant/service.go: s.sql":                                                                        "a list of constants",
	"domain/tenant/session.go: sql":                                                                          "a statement that the caller has written down",
}

// A statement is written down as it is sent. What is put together at run time stands on the list above, so that a new one is a line
// somebody reads.
func TestStatementsAreWrittenDown(t *testing.T) {
	files, constants := ourFiles(t)
	found := map[string]bool{}
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at, is := map[string]int{"Exec": 1, "Query": 1, "QueryRow": 1, "Queue": 0}[method.Sel.Name]
			if !is {
				return true
			}
			for _, part := range parts(call.Args[at]) {
				if !constants[filepath.Dir(path)+" "+part] && !constants[part] {
					found[filepath.ToSlash(path)+": "+part] = true
				}
			}
			return true
		})
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok && name.Name == "QueryExecModeSimpleProtocol" {
				t.Errorf("%s puts parameters into the text of statements", path)
			}
			return true
		})
	}
	for _, place := range slices.Sorted(maps.Keys(found)) {
		if made[place] == "" {
			t.Errorf("a statement is put together at %s", place)
		}
	}
	for place := range made {
		if !found[place] {
			t.Errorf("%s is not there any more", place)
		}
	}
}

// parts are what a text is put together from, but for literals.
func parts(e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return nil
	case *ast.BinaryExpr:
		return append(parts(e.X), parts(e.Y)...)
	case *ast.ParenExpr:
		return parts(e.X)
	case *ast.SelectorExpr: // another package's
		if _, ok := e.X.(*ast.Ident); ok && ast.IsExported(e.Sel.Name) {
			return []string{"another's " + e.Sel.Name}
		}
	}
	var text bytes.Buffer
	_ = printer.Fprint(&text, token.NewFileSet(), e)
	return []string{text.String()}
}

// ourFiles are those of the program, with all constants in them: their directory and name, and of those that other packages see too that
// they are another's.
func ourFiles(t *testing.T) (files map[string]*ast.File, constants map[string]bool) {
	t.Helper()
	files, constants = map[string]*ast.File{}, map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && (strings.HasPrefix(e.Name(), ".") && path != "." || slices.Contains([]string{"domain/dbtest", "deploy", "static", "views", "tools"}, path)) {
			return errorsOrSkip(err)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files[path] = file
		ast.Inspect(file, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						constants[filepath.Dir(path)+" "+name.Name] = true
						if name.IsExported() {
							constants["another's "+name.Name] = true
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files, constants
}

func errorsOrSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}
