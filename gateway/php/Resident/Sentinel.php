<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** Finds what a call left behind in its worker, puts back what it can, and names the rest. */
final class Sentinel
{
    /** @param array{first: int, dense: bool} $options */
    public function __construct(private readonly array $options)
    {
    }

    /** When the application and all handlers are loaded: what is there now belongs to them. */
    public function begin(): void
    {
    }

    /**
     * When a call's own values are gone.
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function afterCall(string $function): array
    {
        return [];
    }
}
