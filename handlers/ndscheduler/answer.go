package ndscheduler

import (
	"crypto/sha1" //nolint:gosec // an Etag is no secret, and is one there
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// contentType is what the servers say.
const contentType = "application/json; charset=UTF-8"

// answer writes JSON; what a client has already it is not sent again.
func answer(c echo.Context, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if m := c.Request().Method; (m == http.MethodGet || m == http.MethodHead) && status == http.StatusOK {
		sum := sha1.Sum(b) //nolint:gosec // as above
		tag := `"` + hex.EncodeToString(sum[:]) + `"`
		c.Response().Header().Set("Etag", tag)
		if strings.Contains(c.Request().Header.Get("If-None-Match"), tag) {
			return c.NoContent(http.StatusNotModified)
		}
	}
	return c.Blob(status, contentType, b)
}
