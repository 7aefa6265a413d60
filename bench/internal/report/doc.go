// Package report is what the load generator tells the runner, as JSON.
package report
