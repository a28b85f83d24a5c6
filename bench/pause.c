/* The benchmark's container: waits for SIGTERM, or with an argument ends at once. Static, so that
 * the image is one file. */
#include <signal.h>
#include <unistd.h>

static void stop(int signo)
{
	(void)signo;
	_exit(0);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (;;)
		pause();
}
