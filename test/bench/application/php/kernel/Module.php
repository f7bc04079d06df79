<?php

declare(strict_types=1);

namespace App\Kernel;

/** What a module gives the application; found by the scan, made by the container. */
interface Module
{
    /** What its section of the configuration must have: key => type as by get_debug_type(). @return array<string, string> */
    public static function settings(): array;

    /** Which class stands for which interface. */
    public function register(Container $container): void;

    /** When all are registered. @return list<object> its subscribers */
    public function subscribers(Container $container): array;
}
