package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestUsersOfPrograms(t *testing.T) {
	w := newWorld(t)
	post := func(path, body string) ask {
		return ask{method: "POST", path: path, as: scheduler.Admin, body: body}
	}
	rec := w.expect(http.StatusCreated, post("/settings/users", `{"username":"bob","password":"12345678","role":"viewer"}`))
	if got := decode[struct{ Name, Role string }](t, rec); got.Name != "bob" || got.Role != "viewer" {
		t.Errorf("%+v", got)
	}
	w.problem(w.expect(http.StatusConflict, post("/settings/users", `{"username":"bob","password":"12345678","role":"viewer"}`)))
	p := w.problem(w.expect(http.StatusUnprocessableEntity, post("/settings/users", `{"username":"a:b","password":"x","role":"king"}`)))
	if len(p.Errors) != 3 {
		t.Errorf("%+v", p.Errors)
	}
	w.expect(http.StatusNoContent, post("/settings/users/bob/role", `{"role":"editor"}`))
	w.expect(http.StatusNoContent, post("/settings/users/bob/password", `{"password":"another one"}`))
	w.problem(w.expect(http.StatusConflict, post("/settings/users/admin/role", `{"role":"viewer"}`)))
	w.problem(w.expect(http.StatusConflict, ask{method: "DELETE", path: "/settings/users/admin", as: scheduler.Admin}))
	w.problem(w.expect(http.StatusNotFound, post("/settings/users/nobody/role", `{"role":"editor"}`)))
	rec = w.expect(http.StatusOK, ask{path: "/settings/users", as: scheduler.Admin})
	if got := decode[listOut[struct{ Name, Role string }]](t, rec); got.Total != 2 || strings.Contains(rec.Body.String(), "hash") {
		t.Errorf("%s", rec.Body)
	}
	w.logIn("bob", "another one")
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: "/settings/users/bob", as: scheduler.Admin})
}

func TestUsersOnPages(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	post := func(path string, form url.Values) ask {
		return ask{method: "POST", path: path, form: form}.page().with("Cookie", cookie)
	}
	rec := w.expect(http.StatusUnprocessableEntity, post("/settings/users", url.Values{"username": {"bob"}, "password": {"geheim"}, "role": {"viewer"}}))
	if !strings.Contains(rec.Body.String(), `value="bob"`) || strings.Contains(rec.Body.String(), "geheim") || !strings.Contains(rec.Body.String(), "at least 8") {
		t.Error("what was typed is lost, or the password is repeated")
	}
	rec = w.expect(http.StatusSeeOther, post("/settings/users", url.Values{"username": {"bob"}, "password": {"12345678"}, "role": {"viewer"}}))
	if rec.Header().Get("Location") != "/settings/users" {
		t.Errorf("to %q", rec.Header().Get("Location"))
	}
	if rec := w.expect(http.StatusUnprocessableEntity, post("/settings/users/admin/delete", nil)); !strings.Contains(rec.Body.String(), "last admin") {
		t.Error("it does not say why")
	}
	w.expect(http.StatusSeeOther, post("/settings/users/bob/role", url.Values{"role": {"operator"}}))
	w.expect(http.StatusSeeOther, post("/settings/users/bob/delete", nil))
	if rec := w.expect(http.StatusSeeOther, ask{path: "/settings"}.page().with("Cookie", cookie)); rec.Header().Get("Location") != "/settings/users" {
		t.Errorf("to %q", rec.Header().Get("Location"))
	}
}

// TestOwnPassword: anybody may change their own, which ends all of their
// sessions but gives this browser a new one.
func TestOwnPassword(t *testing.T) {
	w := newWorld(t)
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Viewer))
	here, there := w.logIn("bob", "12345678"), w.logIn("bob", "12345678")
	rec := w.expect(http.StatusNoContent, ask{method: "POST", path: "/settings/users/bob/password", body: `{"password":"another one"}`}.with("Cookie", here))
	fresh := "belfry_session=" + rec.Result().Cookies()[0].Value
	w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", fresh))
	w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", here))
	w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", there))
	w.expect(http.StatusForbidden, ask{method: "POST", path: "/settings/users/admin/password", body: `{"password":"another one"}`}.with("Cookie", fresh))
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/tokens", as: scheduler.Admin, body: `{"name":"ci","role":"operator","ttl":"1h"}`})
	made := decode[struct{ ID, Secret string }](t, rec)
	call := ask{path: "/jobs"}.with("Authorization", "Bearer "+made.Secret)
	w.expect(http.StatusOK, call)
	rec = w.expect(http.StatusOK, ask{path: "/settings/tokens", as: scheduler.Admin})
	if strings.Contains(rec.Body.String(), made.Secret) || strings.Contains(rec.Body.String(), "secret") {
		t.Error("the list has a secret")
	}
	w.clock.pass(time.Hour)
	w.expect(http.StatusUnauthorized, call)
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: "/settings/tokens/" + made.ID, as: scheduler.Admin})

	for body, field := range map[string]string{
		`{"name":"","role":"viewer"}`: "name", `{"name":"x","role":"king"}`: "role", `{"name":"x","role":"viewer","ttl":"soon"}`: "ttl", `{"name":"x","role":"viewer","ttl":"-1h"}`: "ttl",
	} {
		p := w.problem(w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/settings/tokens", as: scheduler.Admin, body: body}))
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}

	cookie := w.logIn("admin", adminPassword)
	form := url.Values{"name": {"page"}, "role": {"viewer"}, "expires": {"30"}}
	rec = w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/tokens", form: form}.page().with("Cookie", cookie))
	if !strings.Contains(rec.Body.String(), scheduler.TokenPrefix) || rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("the page does not show the secret, or may be kept")
	}
	form = url.Values{"name": {"other"}, "role": {"viewer"}, "expires": {"soon"}}
	if rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/settings/tokens", form: form}.page().with("Cookie", cookie)); !strings.Contains(rec.Body.String(), "number of days") {
		t.Error("the page does not say what is wrong")
	}
}

func TestRevokedTokenIsUseless(t *testing.T) {
	w := newWorld(t)
	made, secret, err := w.service.CreateToken(t.Context(), scheduler.Server, "ci", scheduler.Viewer, 0)
	w.must(err)
	call := ask{path: "/jobs"}.with("Authorization", "bearer "+secret)
	w.expect(http.StatusOK, call)
	w.expect(http.StatusNoContent, ask{method: "POST", path: "/settings/tokens/" + made.ID + "/revoke", as: scheduler.Admin})
	w.expect(http.StatusUnauthorized, call)
}

// TestNamesThatNoAddressHas: the links of a user or a class of that name would lead
// elsewhere.
func TestNamesThatNoAddressHas(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{".", ".."} {
		for path, body := range map[string]string{
			"/settings/users":   `{"username":"` + name + `","password":"long enough 1","role":"viewer"}`,
			"/settings/tokens":  `{"name":"` + name + `","role":"viewer"}`,
			"/settings/classes": `{"name":"` + name + `","executor":"noop"}`,
		} {
			rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: path, as: scheduler.Admin, body: body})
			if errs := w.problem(rec).Errors; len(errs) != 1 || !strings.HasSuffix(errs[0].Field, "name") {
				t.Errorf("%s %s: %+v", path, name, errs)
			}
		}
	}
}
