/* json.c - writes one JSON text. */

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "json.h"

/* Bytes of the UTF-8 sequence at `text`, or 0 when there is none. */
static size_t sequence_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80                       ? 1
                    : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                    : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                    : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                         : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    bool too_long =
        (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool not_a_character =
        (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    return too_long || not_a_character ? 0 : length;
}

/* Bytes that are not UTF-8 come out as the replacement character. */
static void put_string(FILE *stream, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    fputc('"', stream);
    while (*at != '\0') {
        size_t length = sequence_length(at);
        if (length == 0)
            fputs("\\ufffd", stream);
        else if (*at == '"' || *at == '\\')
            fprintf(stream, "\\%c", *at);
        else if (*at < ' ')
            fprintf(stream, "\\u%04x", *at);
        else
            fwrite(at, 1, length, stream);
        at += length == 0 ? 1 : length;
    }
    fputc('"', stream);
}

static void begin_member(struct json *json, const char *name)
{
    if (json->has_member)
        fputc(',', json->stream);
    if (json->depth > 0)
        fprintf(json->stream, "\n%*s", json->depth * 2, "");
    json->has_member = true;
    if (name != NULL) {
        put_string(json->stream, name);
        fputs(": ", json->stream);
    }
}

void json_open(struct json *json, const char *name, char bracket)
{
    begin_member(json, name);
    fputc(bracket, json->stream);
    json->depth++;
    json->has_member = false;
}

void json_close(struct json *json, char bracket)
{
    json->depth--;
    if (json->has_member)
        fprintf(json->stream, "\n%*s", json->depth * 2, "");
    fputc(bracket, json->stream);
    json->has_member = true;
    if (json->depth == 0)
        fputc('\n', json->stream);
}

void json_string(struct json *json, const char *name, const char *value)
{
    begin_member(json, name);
    put_string(json->stream, value);
}

void json_count(struct json *json, const char *name, uint64_t value)
{
    begin_member(json, name);
    fprintf(json->stream, "%" PRIu64, value);
}

void json_real(struct json *json, const char *name, double value)
{
    if (!isfinite(value)) {
        json_null(json, name);
        return;
    }
    begin_member(json, name);
    fprintf(json->stream, "%.9g", value);
}

void json_null(struct json *json, const char *name)
{
    begin_member(json, name);
    fputs("null", json->stream);
}
