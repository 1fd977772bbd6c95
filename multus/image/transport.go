package image

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Requests that read are tried again: a registry that is busy or restarts is
// no reason to give up, and no hurry either.
const (
	attempts   = 4
	firstPause = 500 * time.Millisecond // doubled each time
	mostPause  = 30 * time.Second       // what a registry asks for by Retry-After is cut to this
)

// retrier tries requests that only read again, and listens to the request's
// context while it waits. It limits what answers may hold that are not blobs.
type retrier struct {
	base http.RoundTripper
}

// RoundTrip sends one request.
func (t *retrier) RoundTrip(request *http.Request) (*http.Response, error) {
	reads := request.Method == http.MethodGet || request.Method == http.MethodHead
	pause := firstPause
	for attempt := 1; ; attempt++ {
		response, err := t.base.RoundTrip(request)
		if !reads || attempt == attempts || !passing(response, err) || request.Context().Err() != nil {
			return limited(request, response), err
		}
		wait := pause
		if response != nil {
			wait = retryAfter(response, pause)
			drain(response)
		}
		timer := time.NewTimer(wait)
		select {
		case <-request.Context().Done():
			timer.Stop()
			return nil, request.Context().Err()
		case <-timer.C:
		}
		pause *= 2
	}
}

// passing reports whether the same request can have another answer soon.
func passing(response *http.Response, err error) bool {
	if err != nil {
		// A connection that broke, and not one that never was: a name that
		// does not resolve or a certificate that is wrong stays so.
		for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
			if errors.Is(err, broken) {
				return true
			}
		}
		return false
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// retryAfter is how long the registry asks to wait, in seconds; a date or
// nothing leaves it to us.
func retryAfter(response *http.Response, otherwise time.Duration) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return otherwise
	}
	return min(time.Duration(min(seconds, int(mostPause/time.Second)))*time.Second, mostPause)
}

// drain takes what is left of an answer that nobody wants, so that the
// connection can be used again.
func drain(response *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) //nolint:errcheck // nobody wants it
	_ = response.Body.Close()
}

// limited keeps a registry, or who answers in its place, from filling the
// memory with a manifest or a token. Blobs are streamed and have their own
// limits.
func limited(request *http.Request, response *http.Response) *http.Response {
	if response != nil && response.Body != nil && !strings.Contains(request.URL.Path, "/blobs/") {
		response.Body = &limitedBody{ReadCloser: response.Body, left: answerBytes, url: request.URL.Redacted()}
	}
	return response
}

// limitedBody fails where more is read than is allowed.
type limitedBody struct {
	io.ReadCloser
	left int64
	url  string
}

// Read reads, and fails at the limit.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &LimitError{What: "answer of " + b.url + " in bytes", Limit: answerBytes}
	}
	return n, err
}
