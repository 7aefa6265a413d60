package websocket

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// URLSigner makes URLs that open a connection for a while and carry a record: for
// browsers, whose WebSocket cannot send an Authorization field. A page asks for one
// with its usual credentials, and connects with it; the server verifies it in
// AcceptOptions.Check. The record is encrypted as well as signed (AES-256-GCM), and
// bound to the URL's path, in which %2F is not /, and to Use.
//
// Such a URL is a password until it expires, and may be used more than once until
// then: keep Lifetime short. The zero value has no key and is not usable. Methods may
// be called concurrently.
type URLSigner[T any] struct {
	// Keys are of 32 random bytes each. The first signs, all verify: to change keys,
	// put a new one first, and take the old one away a Lifetime later.
	Keys [][]byte
	// Lifetime is how long a URL is valid, up to a second longer. 0 means 1 minute; it
	// cannot be without end.
	Lifetime time.Duration
	// Use names what the URLs are for: those of another Use are not valid. "" means the
	// name of the record's type, with its package's.
	Use string
	// Parameter is the name of the query parameter. "" means "token".
	Parameter string

	now func() time.Time // for tests; nil: time.Now
}

// The ways in which a signed URL is refused.
var (
	// ErrToken says that a URL has no token, or one that was not made for it, or for
	// this Use.
	ErrToken = errors.New("websocket: verify: the URL's token is missing or not valid")
	// ErrTokenExpired says that a URL was valid once.
	ErrTokenExpired = errors.New("websocket: verify: the URL has expired")
)

// The token, before base64url without padding:
//
//	version (1) | expiry, Unix seconds (8) | nonce (12) | sealed record | tag (16)
//
// Version, expiry, Use and path are authenticated with the record.
const (
	tokenVersion = 3
	tokenHead    = 1 + 8
	nonceSize    = 12
	tagSize      = 16
	maxToken     = 4 << 10 // bytes of base64
)

func (s *URLSigner[T]) parameter() string {
	if s.Parameter == "" {
		return "token"
	}
	return s.Parameter
}

func (s *URLSigner[T]) clock() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

func aead(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("a key has %d bytes, not 32", len(key))
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// ciphers are those of the keys; an error says what is wrong with one.
func (s *URLSigner[T]) ciphers() ([]cipher.AEAD, error) {
	if len(s.Keys) == 0 {
		return nil, errors.New("there is no key")
	}
	all := make([]cipher.AEAD, len(s.Keys))
	for i, key := range s.Keys {
		c, err := aead(key)
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// context is what is authenticated with the record.
func (s *URLSigner[T]) context(head []byte, u *url.URL) []byte {
	use := s.Use
	if use == "" {
		use = reflect.TypeFor[T]().String()
	}
	path := cmp.Or(u.EscapedPath(), "/") // routes may tell %2F from /
	b := append([]byte("burrow websocket url\x00"), head...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(use)))
	return append(append(b, use...), path...)
}

// Sign adds a token with the record to a URL, which may be relative: what counts is
// its path, as the server sees it. The rest of the query stays as it is. The record is
// written as JSON, of which there may be some 3 KB.
func (s *URLSigner[T]) Sign(rawURL string, record T) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("websocket: sign: %w", err) }
	u, err := url.Parse(rawURL)
	if err != nil {
		return fail(err)
	}
	keys, err := s.ciphers()
	if err != nil {
		return fail(err)
	}
	plain, err := json.Marshal(record)
	if err != nil {
		return fail(err)
	}
	lifetime := s.Lifetime
	if lifetime <= 0 {
		lifetime = time.Minute
	}
	expiry := s.clock().Add(lifetime + time.Second - 1) // rounded up to a second
	token := binary.BigEndian.AppendUint64([]byte{tokenVersion}, uint64(expiry.Unix()))
	ad := s.context(token, u)
	var nonce [nonceSize]byte
	rand.Read(nonce[:]) // never fails
	token = keys[0].Seal(append(token, nonce[:]...), nonce[:], plain, ad)
	text := base64.RawURLEncoding.EncodeToString(token)
	if len(text) > maxToken {
		return fail(fmt.Errorf("the record is too large: its token takes %d bytes, not at most %d", len(text), maxToken))
	}
	u.RawQuery = s.withToken(u.RawQuery, text)
	return u.String(), nil
}

// withToken is a query with the token, and no other; nothing else in it changes.
func (s *URLSigner[T]) withToken(query, token string) string {
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); pair != "" && (err != nil || name != s.parameter()) {
			pairs = append(pairs, pair)
		}
	}
	return strings.Join(append(pairs, url.QueryEscape(s.parameter())+"="+token), "&")
}

// Verify gives the record of a request's URL, or ErrToken or ErrTokenExpired; any other
// error says what is wrong with the Keys. In AcceptOptions.Check all of them refuse the
// connection with 403.
func (s *URLSigner[T]) Verify(r *http.Request) (T, error) { return s.VerifyURL(r.URL) }

// VerifyURL is Verify for a URL.
func (s *URLSigner[T]) VerifyURL(u *url.URL) (record T, err error) {
	keys, err := s.ciphers()
	if err != nil {
		return record, fmt.Errorf("websocket: verify: %w", err)
	}
	text := u.Query().Get(s.parameter())
	if text == "" || len(text) > maxToken {
		return record, ErrToken
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(token) < tokenHead+nonceSize+tagSize || token[0] != tokenVersion {
		return record, ErrToken
	}
	plain, ok := s.unseal(keys, token, u)
	if !ok {
		return record, ErrToken
	}
	// Only now is the expiry known to be ours.
	if expiry := binary.BigEndian.Uint64(token[1:tokenHead]); uint64(s.clock().Unix()) >= expiry {
		return record, ErrTokenExpired
	}
	if err := json.Unmarshal(plain, &record); err != nil {
		return record, ErrToken // of a signer with another record
	}
	return record, nil
}

// unseal tries all keys; comparing tags takes the same time whatever they are.
func (s *URLSigner[T]) unseal(keys []cipher.AEAD, token []byte, u *url.URL) ([]byte, bool) {
	ad := s.context(token[:tokenHead], u)
	nonce, sealed := token[tokenHead:tokenHead+nonceSize], token[tokenHead+nonceSize:]
	for _, key := range keys {
		if plain, err := key.Open(nil, nonce, sealed, ad); err == nil {
			return plain, true
		}
	}
	return nil, false
}
