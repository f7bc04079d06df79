<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

use FpmGateway\Database;

/** Transactions that a call left open are rolled back: the next call would go on in them, and hold their locks. */
final class Transactions
{
    /**
     * @param \WeakMap<Database, true> $databases
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public static function ofDatabases(\WeakMap $databases): array
    {
        return self::ofCall($databases, null, true);
    }

    /**
     * Where calls run interleaved, the others' go on.
     *
     * @param \WeakMap<Database, true> $databases
     * @param object|null              $owner     who a Database knows the call by that has ended
     * @param bool                     $isLast    no other runs
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public static function ofCall(\WeakMap $databases, ?object $owner, bool $isLast): array
    {
        $leaks = [];
        foreach ($databases as $database => $ignored) {
            if ($database->isInTransaction() && ($isLast || !$database->isOfOther($owner))) {
                $restored = Quiet::run($database->abandonTransaction(...)) === true;
                $leaks[] = Leak::of('transaction', $database->name(), $restored ? 'left open, rolled back' : 'left open, its connection was given up', true);
            }
        }

        return $leaks;
    }

    /**
     * Of PDO objects that the full comparison meets.
     *
     * @return array{kind: string, name: string, detail: string, restored: bool}|null
     */
    public static function ofConnection(\PDO $connection): ?array
    {
        if (!self::isOpen($connection)) {
            return null;
        }
        try {
            $restored = (new \ReflectionMethod(\PDO::class, 'rollBack'))->invoke($connection) === true;
        } catch (\Throwable) {
            $restored = false;
        }

        return Leak::of('transaction', $connection::class, 'left open' . ($restored ? ', rolled back' : ''), $restored);
    }

    public static function isOpen(\PDO $connection): bool
    {
        // PDO's own methods: a subclass's would be the application's code.
        try {
            return (new \ReflectionMethod(\PDO::class, 'inTransaction'))->invoke($connection) === true;
        } catch (\Throwable) {
            // Its constructor never ran.
            return false;
        }
    }
}
