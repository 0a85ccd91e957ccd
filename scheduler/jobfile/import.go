package jobfile

import (
	"context"
	"regexp"
	"strings"

	"belfry/scheduler"
)

// reference matches the beginning of what Load replaces.
var reference = regexp.MustCompile(`\$\{([A-Za-z_]\w*)(\}|:-)`)

// Import is a file in Ofelia's keys whose jobs are to be stored, and changed in
// pages afterwards. It is taken whole or not at all. Each ${...} in it stays as it is:
// whoever imports could read the server's environment otherwise.
func Import() scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: "ofelia", Title: "Ofelia",
		Hint: "Its INI file. To keep editing the file instead, start the server with --config.",
		Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) {
			set, err := Parse("the file", string(raw), nil)
			if err != nil {
				return nil, scheduler.Errorf(scheduler.CodeInvalid, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
			list := make([]scheduler.Imported, len(set.Jobs))
			for i, j := range set.Jobs {
				list[i].Draft = j.Draft
				if kept := reference.FindSubmatch(j.Config); kept != nil {
					list[i].Notes = []string{"It has the variable " + string(kept[1]) + ", which stays as it is: an import does not read the server's environment."}
				}
			}
			return list, nil
		},
	}
}
