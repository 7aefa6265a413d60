// Package report is what the load of the TFTP comparison tells its runner, as JSON.
package report
