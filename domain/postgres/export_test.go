package postgres

// Reviewed is the list of findings that stand, for the test that none of them is stale.
var Reviewed = reviewed

// LintSQL is the check itself.
var LintSQL = lintSQL
