package admin

import (
	"net/http"
	"reflect"
	"strings"
	"time"

	"grange/internal/access"
)

// openAPI is the OpenAPI 3.1 description of the API. It is made from the table of routes and the types that the
// handlers use, so that it cannot say something else than they do.
func (s *Server) openAPI(*http.Request) (any, error) { return s.describe(), nil }

type object = map[string]any

func (s *Server) describe() object {
	schemas := object{}
	paths := object{}
	for _, rt := range s.routes() {
		if paths[rt.path] == nil {
			paths[rt.path] = object{}
		}
		paths[rt.path].(object)[strings.ToLower(rt.method)] = rt.operation(schemas)
	}
	schemas["Error"] = schemaOf(reflect.TypeFor[Error](), schemas)
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "Grange admin API", "version": "1"},
		"paths":   paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
	}
}

func (rt route) operation(schemas object) object {
	op := object{"summary": rt.summary, "x-action": string(rt.action)}
	if rt.action != access.AdminReadHealth {
		op["security"] = []any{object{"token": []any{}}}
	}
	if params := rt.parameters(); len(params) > 0 {
		op["parameters"] = params
	}
	if rt.request != nil {
		op["requestBody"] = object{"required": true, "content": jsonContent(reflect.TypeOf(rt.request), schemas)}
	}
	responses := object{"default": object{
		"description": "A failure.",
		"content":     object{"application/json": object{"schema": reference("Error")}},
	}}
	switch {
	case rt.response != nil:
		responses["200"] = object{"description": "Done.", "content": jsonContent(reflect.TypeOf(rt.response), schemas)}
	case rt.raw != nil:
		responses["200"] = object{"description": "Done."}
	default:
		responses["204"] = object{"description": "Done."}
	}
	op["responses"] = responses
	return op
}

func (rt route) parameters() []any {
	var params []any
	for rest := rt.path; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		params = append(params, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
		rest = tail
	}
	for _, name := range rt.query {
		params = append(params, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	return params
}

func jsonContent(t reflect.Type, schemas object) object {
	return object{"application/json": object{"schema": schemaRef(t, schemas)}}
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// schemaRef is the schema of t; structs of ours are named and put into schemas once.
func schemaRef(t reflect.Type, schemas object) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Struct:
		if schemas[t.Name()] == nil {
			schemas[t.Name()] = object{} // before its fields, which may name it again
			schemas[t.Name()] = schemaOf(t, schemas)
		}
		return reference(t.Name())
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaRef(t.Elem(), schemas)
	case reflect.Slice:
		return object{"type": "array", "items": schemaRef(t.Elem(), schemas)}
	case reflect.Map:
		return object{"type": "object"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	default:
		return object{"type": "string"}
	}
}

func schemaOf(t reflect.Type, schemas object) object {
	properties, required := object{}, []any{}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = schemaRef(f.Type, schemas)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}
