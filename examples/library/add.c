/* A task in C: adds numbers.
 *
 * ork gives the inputs as JSON and frees what it gets back. JSON is read here with bare hands, which
 * is enough for {"numbers": [1, 2.5, ...]}; a real task would use a library for that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *ork_task_run(const char *json)
{
    double sum = 0;
    int count = 0;
    const char *at = strchr(json, '[');

    for (at = at ? at + 1 : ""; *at && *at != ']';) {
        char *end;
        double number = strtod(at, &end);
        if (end == at) {
            at++; /* a comma or a space */
            continue;
        }
        sum += number;
        count++;
        at = end;
    }
    printf("added %d numbers\n", count); /* this is in the log of the task */

    char *answer = malloc(64);
    if (answer)
        snprintf(answer, 64, "{\"sum\": %.17g, \"count\": %d}", sum, count);
    return answer;
}

void ork_task_free(char *answer)
{
    free(answer);
}
