package db_test

import (
	"testing"

	"go.uber.org/goleak"

	"belfry/db"
	"belfry/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, options func(testing.TB) db.Options) {
		dbtest.Exercise(t, func(t testing.TB) *db.Store { return dbtest.OpenAt(t, options(t)) })
	})
}
