package jobfile

import (
	"context"
	"strings"

	"belfry/scheduler"
)

// Import is a file in Ofelia's keys whose jobs are to be stored, and changed in
// pages afterwards. It is taken whole or not at all. Variables of the server's
// environment are not put into it, since whoever imports could read them then.
func Import() scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: "ofelia", Title: "Ofelia",
		Hint: "Its INI file. To keep editing the file instead, start the server with --config.",
		Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) {
			set, err := Parse("the file", string(raw), func(string) (string, bool) { return "", false })
			if err != nil {
				return nil, scheduler.Errorf(scheduler.CodeInvalid, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
			list := make([]scheduler.Imported, len(set.Jobs))
			for i, j := range set.Jobs {
				list[i].Draft = j.Draft
			}
			return list, nil
		},
	}
}
