/* os.h - of an exercise OS: its pages. */
void *ram_take(void);
void ram_give(void *page);

#define GETPAGE() ram_take()
#define FREEPAGE(address) ram_give(address)
