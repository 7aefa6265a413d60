// Package browser holds the tests that open what Burrow serves in a real
// browser, headless Chromium. They build the command, start it on a free
// loopback port and look at it as a visitor does.
//
// Limitations: without a chromium the tests are skipped, and fail where CI is
// true. SHOTS=FOLDER makes them leave screenshots there.
package browser
