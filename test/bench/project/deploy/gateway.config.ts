import { defineConfig } from 'fpm-gateway';

/** All by environment: the benchmark starts this project in many ways. */
export default defineConfig({});
