/*
 * A FastCGI server that is not PHP, for libfcgi.test.ts: libfcgi-echo SOCKET
 *
 * Answers with its parameters as `NAME=value` lines, an empty line, and the request's body.
 * MODE=stderr writes to STDERR between two pieces of output, MODE=exit sets the exit status, MODE=large answers with
 * SIZE bytes, MODE=die ends the process in the middle of its output.
 */
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  FCGX_Request request;
  char piece[8192];
  int length;

  if (argc != 2 || FCGX_Init() != 0) return 2;
  int listener = FCGX_OpenSocket(argv[1], 16);
  if (listener < 0 || FCGX_InitRequest(&request, listener, 0) != 0) return 3;
  puts("ready");
  fflush(stdout);

  while (FCGX_Accept_r(&request) == 0) {
    const char *mode = FCGX_GetParam("MODE", request.envp);
    if (mode == NULL) mode = "";
    FCGX_FPrintF(request.out, "Content-Type: text/plain\r\nX-Mode: %s\r\n\r\n", mode);
    if (strcmp(mode, "stderr") == 0) {
      FCGX_FPrintF(request.out, "before ");
      FCGX_FFlush(request.out);
      FCGX_FPrintF(request.err, "a warning");
      FCGX_FFlush(request.err);
      FCGX_FPrintF(request.out, "after");
    } else if (strcmp(mode, "die") == 0) {
      FCGX_FPrintF(request.out, "half");
      FCGX_FFlush(request.out);
      _Exit(9);
    } else if (strcmp(mode, "large") == 0) {
      memset(piece, 'L', sizeof piece);
      for (long left = atol(FCGX_GetParam("SIZE", request.envp)); left > 0; left -= length) {
        length = left < (long)sizeof piece ? (int)left : (int)sizeof piece;
        FCGX_PutStr(piece, length, request.out);
      }
    } else {
      for (char **entry = request.envp; *entry != NULL; entry += 1) FCGX_FPrintF(request.out, "%s\n", *entry);
      FCGX_FPrintF(request.out, "\n");
      while ((length = FCGX_GetStr(piece, sizeof piece, request.in)) > 0) FCGX_PutStr(piece, length, request.out);
    }
    FCGX_SetExitStatus(strcmp(mode, "exit") == 0 ? 7 : 0, request.out);
    FCGX_Finish_r(&request);
  }
  return 0;
}
