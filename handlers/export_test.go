package handlers

import "github.com/labstack/echo/v4"

// Route is a line of the table as the test sees it.
type Route struct {
	Method, Path, Who string
	Limited, Upload   bool
}

// Table is the table.
func Table() []Route {
	var table []Route
	for _, r := range routes {
		table = append(table, Route{r.method, r.path, string(r.who), r.limit.Events > 0, r.upload})
	}
	return table
}

// EchoRoutes is what Echo answers to.
func EchoRoutes() []*echo.Route { return (&server{}).newEcho().Routes() }
