import { binary, defineFunction, file, stream } from 'fpm-gateway/contract';

export default defineFunction({
  input: file({ maxBytes: 1000, mediaTypes: ['text/plain'] }),
  output: stream(binary('text/plain')),
  handler: 'same.php',
});
