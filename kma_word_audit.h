/* kma_word_audit.h - the invariants of kma_word.c, which includes it behind its types. */
#ifndef KMA_WORD_AUDIT_H
#define KMA_WORD_AUDIT_H

struct word_audit {
    const struct allocator *self;
    size_t objects[CLASSES]; /* in spans */
    size_t partial[CLASSES]; /* spans */
};

static int audit_span(struct page_record *record, struct span *span,
                      struct word_audit *audit)
{
    unsigned unit = unit_at(span);
    if (span->size_class >= CLASSES || span->objects == 0 || span->units == 0 ||
        span->units > UNITS - unit || span->objects > MOST_OBJECTS ||
        SPAN_HEAD + span->objects * bytes_of_class(span->size_class) >
            span->units * UNIT)
        return 1; /* W1 */
    uint64_t all = all_objects(span);
    uint64_t mine = first_bits(span->units) << unit;
    audit->objects[span->size_class] += span->objects;
    audit->partial[span->size_class] += span->free != 0;
    return ((span->free & ~all) != 0 || span->free == all) + /* W1 */
           ((record->free & mine) != 0 ||
            (record->spans & mine) != (uint64_t)1 << unit); /* W2 */
}

static int audit_page(struct page_record *record, void *context)
{
    int broken = 0;
    for (uint64_t spans = record->spans; spans != 0; spans &= spans - 1) {
        struct span *span = (void *)(record->base + lowest_bit(spans) * UNIT);
        broken += audit_span(record, span, context);
    }
    return broken;
}

/* Whether a kept object is free in its span; FALSE, too, if that is no span of its class,
 * which is found out elsewhere. */
static bool is_free_too(const struct allocator *self, unsigned size_class,
                        const struct block *block)
{
    uint64_t before = first_bits(unit_at(block) + 1);
    if ((record_of(&self->units, block)->spans & before) == 0)
        return FALSE;
    struct span *span = span_of(self, block);
    return span->size_class == size_class &&
           (span->free & bit_of_object(span, block)) != 0;
}

static int audit_class(const struct word_audit *audit, unsigned number, size_t *weight)
{
    const struct size_class *class = &audit->self->classes[number];
    size_t spans = 0, most = audit->self->kept;
    int broken = class->objects != audit->objects[number]; /* W3 */
    for (const struct span *span = class->partial, *prev = NULL;
         span != NULL && spans <= audit->partial[number];
         prev = span, span = span->next) {
        broken += span->prev != prev || span->size_class != number || span->free == 0;
        spans++;
    }
    broken += spans != audit->partial[number]; /* W1 */
    for (const struct block *block = class->kept; block != NULL && *weight <= most;
         block = block->next) {
        broken += !is_run(class) && is_free_too(audit->self, number, block); /* W1 */
        *weight += class->weight;
    }
    return broken;
}

#endif
