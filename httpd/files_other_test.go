//go:build !unix

package httpd

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }
