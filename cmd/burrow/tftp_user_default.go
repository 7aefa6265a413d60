//go:build !unix

package main

import "errors"

// becomeUser has nothing to offer here.
func becomeUser(string) error {
	return errors.New("--user: this system has no users to become; start the program as the right one")
}
