/* Reads a folder of refkan's cases: cc cases.c && ./a.out FOLDER prints the first allowed error of each case. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { char name[256]; long offset, ndim, shape[8], size; } Array;
static Array arrays[1 << 16];
static double *numbers;
static long count;
static FILE *open_in(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) { perror(path); exit(1); }
    return file;
}
static void read_arrays(const char *folder) {
    FILE *file = open_in(folder, "arrays.txt");
    long total = 0;
    for (Array *a = arrays; fscanf(file, "%255s %ld %ld", a->name, &a->offset, &a->ndim) == 3; a++, count++) {
        a->size = 1;
        for (long d = 0; d < a->ndim && fscanf(file, "%ld", &a->shape[d]) == 1; d++) a->size *= a->shape[d];
        total = a->offset + a->size;
    }
    numbers = malloc(total * sizeof *numbers);
    if (fread(numbers, sizeof *numbers, total, open_in(folder, "arrays.f64")) != (size_t)total) exit(1);
}
static const Array *find(const char *of, const char *what) { /* find(setting, "x"), find(key, "expected"), ... */
    char name[512];
    snprintf(name, sizeof name, "%s/%s", of, what);
    for (long k = 0; k < count; k++) if (!strcmp(arrays[k].name, name)) return arrays + k;
    return NULL;
}
int main(int argc, char **argv) {
    char key[256], quantity[64], rest[1024];
    read_arrays(argv[argc - 1]);
    for (FILE *file = open_in(argv[1], "cases.txt"); fscanf(file, "%255s %63s %1023[^\n]", key, quantity, rest) == 3;) {
        const Array *tolerance = find(key, "tolerance");
        printf("%s %s %ld %.17g\n", key, quantity, tolerance->size, tolerance->size ? numbers[tolerance->offset] : 0);
    }
}
