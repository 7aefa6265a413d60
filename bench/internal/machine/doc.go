// Package machine describes the machine that a comparison ran on, for the head of
// its tables.
package machine
