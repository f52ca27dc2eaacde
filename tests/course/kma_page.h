/* A course's kma_page.h. */
#ifndef __KMA_PAGE_H__
#define __KMA_PAGE_H__

#define PAGESIZE 8192
#define MAXPAGES 4096
#define BASEADDR(x) \
    (((void *)(((unsigned long)(x)) & ~((unsigned long)(PAGESIZE - 1)))))

typedef struct {
    int id;
    void *ptr;
    int size;
} kma_page_t;

typedef struct {
    int num_requested;
    int num_freed;
    int num_in_use;
    int page_size;
} kma_page_stat_t;

extern kma_page_t *get_page();
extern void free_page(kma_page_t *);
extern kma_page_stat_t *page_stats();

#endif
