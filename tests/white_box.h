/* white_box.h - the beginning and end of each test of an algorithm that keeps its state
 * behind `root` (kma_page_records.h). Include it after the algorithm's file. */
#ifndef KMA_TESTS_WHITE_BOX_H
#define KMA_TESTS_WHITE_BOX_H

static int start(void **state)
{
    (void)state;
    serve_pages();
    root = NULL; /* whatever a failed test has left behind */
    pool_set_poison(1);
    return pool_open(256);
}

static int finish(void **state)
{
    (void)state;
    assert_int_equal(pages_in_use(), 0);
    assert_null(root);
    assert_int_equal(kma_audit(), 0);
    return 0;
}

#endif
