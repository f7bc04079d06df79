/** `fpm-gateway`: the gateway in process. Contracts come from `fpm-gateway/contract`. */
export { defineConfig, type GatewayConfig } from './config.ts';
export { type Code, codes, type Executed, GatewayError, type Issue, isGatewayError } from './errors.ts';
export { createGateway, type Gateway, type GatewayParts, type InvokeOptions } from './gateway.ts';
export type { BinaryResult } from './invoke/in-process.ts';
export type { PoolStatus } from './pool/pool.ts';
export { StartupError, type StartupProblem } from './startup.ts';
export { Upload, type UploadContent } from './upload.ts';
