/* threads.c - counts the words of a text with several threads; its output is the same
 * whatever the threads' order is.
 *
 *     threads FILE THREADS TIMES
 *
 * A reader cuts the text into pieces and puts copies of them on a queue. Counters take
 * them, split them into words, count the words in tables of their own that grow, and put
 * each full table on a second queue. A merger adds the tables up and frees what others
 * have allocated. At the end the words are sorted in parts, a thread each, and the sorted
 * parts are merged. So blocks of many sizes are allocated by one thread and freed by
 * another, strings live for a short time and for long, and arrays grow. */
#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_LENGTH = 16, PIECE_BYTES = 3000, TABLE_WORDS = 2000, MOST_THREADS = 64 };

static void *must(void *block)
{
    if (block != NULL)
        return block;
    fprintf(stderr, "threads: out of memory\n");
    exit(1);
}

/* ---- a queue of a few places: who puts waits for room, who takes for something */

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *item[QUEUE_LENGTH];
    int first, count;
    int writers; /* that may still put something */
};

static struct queue *new_queue(int writers)
{
    struct queue *queue = must(calloc(1, sizeof *queue));

    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->writers = writers;
    return queue;
}

static void delete_queue(struct queue *queue)
{
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static void put(struct queue *queue, void *item)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == QUEUE_LENGTH)
        pthread_cond_wait(&queue->changed, &queue->lock);
    queue->item[(queue->first + queue->count++) % QUEUE_LENGTH] = item;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static void no_more(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->writers--;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

/* NULL: there is nothing and nothing will come. */
static void *take(struct queue *queue)
{
    void *item = NULL;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && queue->writers > 0) {
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    if (queue->count > 0) {
        item = queue->item[queue->first];
        queue->first = (queue->first + 1) % QUEUE_LENGTH;
        queue->count--;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

/* ---- words and how often each was seen, and in which pieces */

struct word {
    struct word *next; /* of those in the same place of the table */
    char *text;
    uint32_t *pieces; /* numbers of the pieces it is in, as they come */
    uint32_t hash, count, length, room;
};

struct table {
    struct word **place;
    uint32_t places, words;
};

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;

    while (*text != '\0')
        hash = (hash ^ (unsigned char)*text++) * 16777619U;
    return hash;
}

static struct table *new_table(uint32_t places)
{
    struct table *table = must(malloc(sizeof *table));

    table->place = must(calloc(places, sizeof *table->place));
    table->places = places;
    table->words = 0;
    return table;
}

static void delete_table(struct table *table)
{
    free(table->place);
    free(table);
}

static void grow(struct table *table)
{
    const uint32_t places = 2 * table->places;
    struct word **place = must(calloc(places, sizeof *place));

    for (uint32_t i = 0; i < table->places; i++) {
        for (struct word *word = table->place[i], *next; word != NULL; word = next) {
            next = word->next;
            word->next = place[word->hash % places];
            place[word->hash % places] = word;
        }
    }
    free(table->place);
    table->place = place;
    table->places = places;
}

static struct word *find(const struct table *table, const char *text, uint32_t hash)
{
    struct word *word = table->place[hash % table->places];

    while (word != NULL && (word->hash != hash || strcmp(word->text, text) != 0)) {
        word = word->next;
    }
    return word;
}

static void insert(struct table *table, struct word *word)
{
    if (table->words++ > table->places)
        grow(table);
    word->next = table->place[word->hash % table->places];
    table->place[word->hash % table->places] = word;
}

static void add_piece(struct word *word, uint32_t piece)
{
    if (word->length == word->room) {
        word->room += word->room / 2 + 1;
        word->pieces = must(realloc(word->pieces, word->room * sizeof *word->pieces));
    }
    word->pieces[word->length++] = piece;
}

static void delete_word(struct word *word)
{
    free(word->text);
    free(word->pieces);
    free(word);
}

static void count_word(struct table *table, const char *text, uint32_t piece)
{
    const uint32_t hash = hash_of(text);
    struct word *word = find(table, text, hash);

    if (word == NULL) {
        word = must(calloc(1, sizeof *word));
        word->text = must(strdup(text));
        word->hash = hash;
        insert(table, word);
    }
    word->count++;
    if (word->length == 0 || word->pieces[word->length - 1] != piece)
        add_piece(word, piece);
}

/* Takes the words out of `from`: into `all`, or adds them to what is there and frees them. */
static void merge(struct table *all, struct table *from)
{
    for (uint32_t i = 0; i < from->places; i++) {
        for (struct word *word = from->place[i], *next; word != NULL; word = next) {
            struct word *known = find(all, word->text, word->hash);

            next = word->next;
            if (known == NULL) {
                insert(all, word);
                continue;
            }
            known->count += word->count;
            for (uint32_t n = 0; n < word->length; n++)
                add_piece(known, word->pieces[n]);
            delete_word(word);
        }
    }
    delete_table(from);
}

/* ---- the threads */

struct piece {
    uint32_t number;
    char *text;
};

struct work {
    const char *text;
    int times;
    struct queue *pieces, *tables;
    struct table *all;
};

/* Cuts at the ends of lines. */
static void *read_text(void *argument)
{
    struct work *work = argument;
    const char *end_of_text = work->text + strlen(work->text);
    uint32_t number = 0;

    for (int time = 0; time < work->times; time++) {
        for (const char *begin = work->text; *begin != '\0';) {
            const size_t left = (size_t)(end_of_text - begin);
            const char *end =
                left <= PIECE_BYTES ? NULL : strchr(begin + PIECE_BYTES, '\n');
            const size_t length = end == NULL ? left : (size_t)(end - begin) + 1;
            struct piece *piece = must(malloc(sizeof *piece));

            piece->number = number++;
            piece->text = must(strndup(begin, length));
            put(work->pieces, piece);
            begin += length;
        }
    }
    no_more(work->pieces);
    return NULL;
}

static void count_words(struct table *table, struct piece *piece)
{
    char *text = piece->text;

    while (*text != '\0') {
        char *begin = text;
        char end;

        while (isalnum((unsigned char)*text) || *text == '_')
            text++;
        end = *text;
        *text = '\0';
        if (text > begin)
            count_word(table, begin, piece->number);
        if (end != '\0')
            text++;
    }
}

static void *count_pieces(void *argument)
{
    struct work *work = argument;
    struct table *table = new_table(64);
    struct piece *piece;

    while ((piece = take(work->pieces)) != NULL) {
        count_words(table, piece);
        free(piece->text);
        free(piece);
        if (table->words >= TABLE_WORDS) {
            put(work->tables, table);
            table = new_table(64);
        }
    }
    put(work->tables, table);
    no_more(work->tables);
    return NULL;
}

static void *merge_tables(void *argument)
{
    struct work *work = argument;
    struct table *table;

    while ((table = take(work->tables)) != NULL)
        merge(work->all, table);
    return NULL;
}

static void count_all(struct work *work, int threads)
{
    pthread_t reader, merger, counter[MOST_THREADS];

    work->pieces = new_queue(1);
    work->tables = new_queue(threads);
    work->all = new_table(64);
    pthread_create(&reader, NULL, read_text, work);
    pthread_create(&merger, NULL, merge_tables, work);
    for (int i = 0; i < threads; i++)
        pthread_create(&counter[i], NULL, count_pieces, work);
    pthread_join(reader, NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(counter[i], NULL);
    pthread_join(merger, NULL);
    delete_queue(work->pieces);
    delete_queue(work->tables);
}

/* ---- sorting */

struct part {
    struct word **words;
    size_t length;
};

static int in_order(const void *one, const void *other)
{
    const struct word *const *a = one, *const *b = other;

    return strcmp((*a)->text, (*b)->text);
}

static int rising(const void *one, const void *other)
{
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static void *sort_part(void *argument)
{
    struct part *part = argument;

    qsort(part->words, part->length, sizeof(struct word *), in_order);
    for (size_t i = 0; i < part->length; i++) {
        qsort(part->words[i]->pieces, part->words[i]->length, sizeof(uint32_t), rising);
    }
    return NULL;
}

static struct part *new_parts(const struct table *all, int threads)
{
    struct part *parts = must(calloc((size_t)threads, sizeof *parts));
    size_t number = 0;

    for (int i = 0; i < threads; i++) {
        parts[i].words =
            must(malloc((all->words / (size_t)threads + 1) * sizeof(struct word *)));
    }
    for (uint32_t i = 0; i < all->places; i++) {
        for (struct word *word = all->place[i]; word != NULL; word = word->next) {
            struct part *part = &parts[number++ % (size_t)threads];

            part->words[part->length++] = word;
        }
    }
    return parts;
}

static void print_word(const struct word *word)
{
    uint32_t sum = 2166136261U;

    for (uint32_t i = 0; i < word->length; i++)
        sum = (sum ^ word->pieces[i]) * 16777619U;
    printf("%s %u %u %08x\n", word->text, word->count, word->length, sum);
}

/* Prints and frees the words, the least of the parts' first ones again and again. */
static void print_parts(struct part *parts, int threads)
{
    size_t *at = must(calloc((size_t)threads, sizeof *at));

    for (;;) {
        int least = -1;

        for (int i = 0; i < threads; i++) {
            if (at[i] < parts[i].length &&
                (least < 0 || in_order(&parts[i].words[at[i]],
                                       &parts[least].words[at[least]]) < 0)) {
                least = i;
            }
        }
        if (least < 0)
            break;
        print_word(parts[least].words[at[least]]);
        delete_word(parts[least].words[at[least]++]);
    }
    free(at);
}

static void print_sorted(struct table *all, int threads)
{
    struct part *parts = new_parts(all, threads);
    pthread_t sorter[MOST_THREADS];

    for (int i = 0; i < threads; i++)
        pthread_create(&sorter[i], NULL, sort_part, &parts[i]);
    for (int i = 0; i < threads; i++)
        pthread_join(sorter[i], NULL);
    printf("%u words\n", all->words);
    print_parts(parts, threads);
    for (int i = 0; i < threads; i++)
        free(parts[i].words);
    free(parts);
    delete_table(all);
}

static char *content_of(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t length = 0, room = 4096, more;
    char *text = must(malloc(room));

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while ((more = fread(text + length, 1, room - length - 1, file)) > 0) {
        length += more;
        if (length == room - 1)
            text = must(realloc(text, room *= 2));
    }
    fclose(file);
    text[length] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    const int threads = argc == 4 ? atoi(argv[2]) : 0;
    struct work work = {0};
    char *text;

    if (threads < 1 || threads > MOST_THREADS || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: threads FILE THREADS TIMES\n");
        return 2;
    }
    text = content_of(argv[1]);
    work.text = text;
    work.times = atoi(argv[3]);
    count_all(&work, threads);
    print_sorted(work.all, threads);
    free(text);
    return 0;
}
