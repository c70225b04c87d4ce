package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// maxDepth bounds how deeply a body nests. No body of this API needs more than
// four levels, but device_info is the caller's.
const maxDepth = 32

// strictJSON is JSON that every reader understands in the same way (I-JSON, RFC
// 7493): a proxy that checks a request must not have seen another one than this
// API acts on.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if _, first := v.(*any); first { // the framework reads a body twice, and as anything first
			if err := checkJSON(data); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
}

// The framework would take user_ID for user_id, after it has checked another
// field of that name. It has a switch for all APIs of a process, and none for one.
func init() { huma.ValidateStrictCasing = true }

// errJSON reports a body that could be read in several ways.
var errJSON = errors.New("ambiguous JSON")

// checkJSON refuses what encoding/json is lenient about: names that an object has
// twice, bytes that are no UTF-8, and depth. Its syntax is the decoder's concern.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w: it is not UTF-8", errJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var open []*object
	for {
		token, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if len(open) == maxDepth {
				return fmt.Errorf("%w: it nests more than %d levels", errJSON, maxDepth)
			}
			if len(open) > 0 {
				open[len(open)-1].value()
			}
			open = append(open, &object{list: token == json.Delim('[')})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			continue
		}
		if len(open) == 0 {
			continue
		}
		if err := open[len(open)-1].token(token); err != nil {
			return err
		}
	}
}

// object is an object, or a list, that is being read.
type object struct {
	list  bool
	named bool // a name was read, and its value comes next
	names map[string]struct{}
}

func (o *object) value() { o.named = false }

// token takes a name or a value that is neither object nor list.
func (o *object) token(token json.Token) error {
	name, _ := token.(string)
	if o.list || o.named {
		o.named = false
		return nil
	}
	if _, twice := o.names[name]; twice {
		return fmt.Errorf("%w: an object has a name twice", errJSON)
	}
	if o.names == nil {
		o.names = make(map[string]struct{})
	}
	o.names[name] = struct{}{}
	o.named = true
	return nil
}
