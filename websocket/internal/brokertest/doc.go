// Package brokertest is what the tests of the brokers have in common.
package brokertest
