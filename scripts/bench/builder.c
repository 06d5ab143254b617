/* The builder of `bench.sh run`: says when its first instruction ran, then leaves what a builder has to. The clock is
   the same on both sides of a container. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    FILE *first = fopen("/config/first", "w");
    fprintf(first, "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    fclose(first);
    /* the smallest ISO 9660: a primary volume descriptor of 20 sectors and a terminator */
    static unsigned char image[20 * 2048] = {0};
    unsigned char *volume = image + 16 * 2048;
    const unsigned char head[] = {1, 'C', 'D', '0', '0', '1', 1}, end[] = {255, 'C', 'D', '0', '0', '1', 1};
    for (int at = 0; at < 7; at++)
        volume[at] = head[at], volume[2048 + at] = end[at];
    volume[80] = volume[87] = 20;
    volume[129] = volume[130] = 8;
    FILE *iso = fopen("/config/out.iso", "w");
    fwrite(image, sizeof image, 1, iso);
    fclose(iso);
    /* other engines give no configuration, and want no metadata */
    char line[4096], *host = NULL;
    FILE *configuration = getenv("BUILDER_CONFIG") ? fopen(getenv("BUILDER_CONFIG"), "r") : NULL;
    while (configuration && !host && fgets(line, sizeof line, configuration))
        host = strncmp(line, "  volume:", 9) ? NULL : line + 9;
    if (host) {
        FILE *metadata = fopen("/config/output-metadata.yaml", "w");
        fprintf(metadata, "bootImagePath: %s/out.iso\n", strtok(host, " :"));
        fclose(metadata);
    }
    return 0;
}
