/* json.h - writes one JSON text, member by member, indented. */
#ifndef KMA_DRIVER_JSON_H
#define KMA_DRIVER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *stream;
    int depth;
    bool has_member; /* something stands before the next member at this depth */
};

/* Below, `name` is NULL for a member of an array and for the outermost value. `bracket`
 * opens as '{' or '[' and closes as '}' or ']'. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *value);
void json_count(struct json *json, const char *name, uint64_t value);
/* A value that is not finite is written as null, as is json_null. */
void json_real(struct json *json, const char *name, double value);
void json_null(struct json *json, const char *name);

#endif
